# Fetches packages of Debian's into .cache/, unpacked and not installed. Sourced by ./check.
debian=$root/.cache/debian

# Debian mirrors that this machine's apt uses, its own release's first, one a line.
mirrors() {
    local codename
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-stable}")
    apt-get update --print-uris -o "Dir::State::Lists=$debian/lists" |
        sed -nE "s|^'(.*)/dists/([a-z]+)/InRelease'.*|\2 \1|p" |
        awk -v own="$codename" '$1 == own { print $2; next } { later[++n] = $2 }
                                END { for (i = 1; i <= n; i++) print later[i] }' |
        awk '!seen[$0]++'
}

# Fetches from one mirror with lists and caches of its own.
fetch_from() {
    local mirror=$1 suite=$2 folder=$3 keyring=/usr/share/keyrings/debian-archive-keyring.gpg package
    shift 3
    local apt=(apt-get
        -o "Dir::Etc::sourcelist=$debian/sources.list"
        -o "Dir::Etc::sourceparts=/nonexistent"
        -o "Dir::State::Lists=$debian/lists"
        # Of what is installed here apt would look for that version, which another release lacks.
        -o "Dir::State::status=/dev/null"
        -o "Dir::Cache=$debian/cache")
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$debian/sources.list"
    # Without --error-on=any apt calls an unreachable mirror a warning.
    quietly "${apt[@]}" update --error-on=any &&
        (cd "$folder" && quietly "${apt[@]}" download "$@") || return
    for package in "$folder"/*.deb; do
        quietly dpkg -x "$package" "$folder/unpacked" || return
    done
}

# fetch FOLDER SUITE PACKAGE...: unpacks the packages into FOLDER/unpacked.
fetch() {
    local folder=$1 suite=$2 mirror
    shift 2
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return
    rm -rf "$folder"
    mkdir -p "$folder" "$debian/lists/partial" "$debian/cache/archives/partial"
    for mirror in $(mirrors); do
        fetch_from "$mirror" "$suite" "$folder" "$@" && return
    done
    return 1
}
