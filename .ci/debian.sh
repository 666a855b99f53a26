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

# apt-get or apt-cache on one mirror only, with lists and caches of its own: see use_mirror.
# Of what is installed here apt would look for that version, which another release lacks.
apt_alone() {
    local program=$1
    shift
    "$program" \
        -o "Dir::Etc::sourcelist=$debian/sources.list" \
        -o "Dir::Etc::sourceparts=/nonexistent" \
        -o "Dir::State::Lists=$debian/lists" \
        -o "Dir::State::status=/dev/null" \
        -o "Dir::Cache=$debian/cache" \
        "$@"
}

# use_mirror MIRROR SUITE [TYPE...]: fetches its lists; a type is deb, unless it is named, or deb-src.
use_mirror() {
    local mirror=$1 suite=$2 keyring=/usr/share/keyrings/debian-archive-keyring.gpg type
    shift 2
    mkdir -p "$debian/lists/partial" "$debian/cache/archives/partial"
    for type in "${@:-deb}"; do
        printf '%s [signed-by=%s] %s %s main\n' "$type" "$keyring" "$mirror" "$suite"
    done >"$debian/sources.list"
    # Without --error-on=any apt calls an unreachable mirror a warning.
    quietly apt_alone apt-get update --error-on=any
}

# unpack FOLDER PACKAGE...: fetches packages from the mirror in use, and unpacks them.
unpack() {
    local folder=$1 package
    shift
    (cd "$folder" && quietly apt_alone apt-get download "$@") || return
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
    mkdir -p "$folder"
    for mirror in $(mirrors); do
        use_mirror "$mirror" "$suite" && unpack "$folder" "$@" && return
    done
    return 1
}
