# Images for the tests of real containers. Sourced by ./check, which calls prepare_containers.
#
# The base image stands for python:slim, which no registry need be asked for: Debian's Python from
# its own mirrors, with nothing compiled, as in the official one. Images and layers are kept in
# .cache/containers, away from those of the machine.
containers=$root/.cache/containers
container_suite=trixie
# netavark runs iptables, and asks for it nowhere.
container_programs=(podman buildah runc catatonit debootstrap netavark aardvark-dns iptables)
export CONTAINERS_STORAGE_CONF=$containers/storage.conf CONTAINERS_CONF=$containers/containers.conf

install_container_programs() {
    local program missing=()
    for program in "${container_programs[@]}"; do
        command -v "$program" || [[ -e /usr/lib/podman/$program ]] || missing+=("$program")
    done >/dev/null
    [[ ${#missing[@]} == 0 ]] && return
    say "installing ${missing[*]} (apt-get)"
    quietly apt-get update && quietly apt-get install -y --no-install-recommends "${missing[@]}"
}

# Debian's Python as the image coordsidecar-base, once.
make_base_image() {
    local base=$containers/base mirror container
    buildah inspect --type image localhost/coordsidecar-base >/dev/null 2>&1 && return
    say "making a base image of Debian's Python in .cache"
    for mirror in $(mirrors); do
        [[ -e $base/usr/bin/python3 ]] && break
        rm -rf --one-file-system "$base"
        # A mount namespace of its own, so that nothing stays mounted in there.
        quietly unshare --mount debootstrap --variant=minbase \
            --include=ca-certificates,procps,python3,python3-pip,python3-venv \
            "$container_suite" "$base" "$mirror" || rm -rf --one-file-system "$base"
    done
    [[ -e $base/usr/bin/python3 ]] || return
    find "$base/usr" -name __pycache__ -prune -exec rm -rf {} +
    rm -rf "$base"/var/cache/apt/archives "$base"/var/lib/apt/lists/*
    ln -sf ../../bin/python3 "$base/usr/local/bin/python3"
    ln -sf ../../bin/python3 "$base/usr/local/bin/python"
    container=$(buildah from scratch) &&
        quietly buildah add "$container" "$base" / &&
        buildah config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin \
            --cmd python3 "$container" &&
        quietly buildah commit --rm "$container" localhost/coordsidecar-base &&
        rm -rf --one-file-system "$base"
}

# build_image TAG OPTION...: the image of the Dockerfile; the same, bit by bit, wherever it is built.
build_image() {
    local tag=$1 file volumes=()
    shift
    # A machine behind a proxy trusts it by these; the network of a build is this machine's.
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do
        [[ -e $file ]] && volumes+=(--volume "$file:$file:ro")
    done
    buildah build --isolation chroot --network host --pull-never --timestamp 1577836800 \
        "${volumes[@]}" --build-arg BASE=localhost/coordsidecar-base "$@" \
        --tag "localhost/coordsidecar:$tag" "$root"
}

prepare_containers() {
    [[ $(id -u) == 0 ]] || fail "--containers takes root: to install programs, and for cgroups"
    mkdir -p "$containers"
    cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "overlay"
graphroot = "$containers/storage"
runroot = "$containers/run"
END
    # podman's own limits may be more than this machine gives, and more than a job needs.
    cat >"$CONTAINERS_CONF" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=500:500"]
[engine]
runtime = "runc"
[network]
network_backend = "netavark"
END
    "$python" -c 'import podman_compose' 2>/dev/null ||
        quietly "$python" -m pip install --group containers || return
    # What a run that was killed has left.
    podman ps --all --quiet --filter name=coordsidecar- 2>/dev/null |
        xargs --no-run-if-empty podman rm --force --time 0 >/dev/null 2>&1
    install_container_programs && make_base_image || return
    say "building the image"
    quietly build_image test --layers
}
