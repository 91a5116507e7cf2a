#!/bin/sh
# Makes .venv from requirements.lock when that changed, then runs the command line: ./cdc --help
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
venv=$here/.venv
lock=$here/requirements.lock

die() {
    printf 'cdc: %s\n' "$1" >&2
    exit 1
}

# Says whether a Python can run the product.
fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

find_python() {
    for candidate in "${CDC_PYTHON:-}" python3.13 python3.12 python3.11 python3 /usr/bin/python3; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 && fits "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
        if [ -n "$candidate" ] && [ "$candidate" = "${CDC_PYTHON:-}" ]; then
            die "CDC_PYTHON ($candidate) is not a Python 3.11 to 3.13; set it to one, or unset it"
        fi
    done
    found=$(python3 -c 'import sys; print("found %d.%d" % sys.version_info[:2])' 2>/dev/null || echo 'found none')
    die "needs Python 3.11 to 3.13 ($found); install one, or set CDC_PYTHON to it"
}

install() {
    if [ "${CDC_OFFLINE:-0}" = 1 ]; then
        die "CDC_OFFLINE is set and .venv does not match requirements.lock: run ./cdc once without it"
    fi
    python=$(find_python)
    echo "Installing the pinned Python packages into $venv (once)" >&2
    if uv --version >/dev/null 2>&1; then
        # Else uv brings its own certificates and fails behind a company's.
        UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1
        export UV_SYSTEM_CERTS UV_NATIVE_TLS
        uv venv --quiet --clear --python "$(command -v "$python")" "$venv" || die "uv could not make $venv"
        uv pip sync --quiet --require-hashes --python "$venv/bin/python" "$lock" ||
            die "the packages could not be installed; check the network or the index that uv uses, and run again"
    else
        "$python" -m venv --clear "$venv" || die "install python3-venv, or uv, and run again"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock" ||
            die "the packages could not be installed; check the network or the index that pip uses, and run again"
    fi
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    # The package is used from the checkout: an editable install would fetch an unpinned build backend.
    printf '%s\n' "$here" >"$site/cdc_assets.pth"
    printf '#!%s\nfrom cdc_assets.cli import main\nmain()\n' "$venv/bin/python" >"$venv/bin/cdc-assets"
    chmod +x "$venv/bin/cdc-assets"
    # Last, so that an install that broke off is repeated.
    printf '%s\n' "$wanted" >"$venv/.ready"
}

wanted="$(cksum <"$lock") $here"
if [ "$(cat "$venv/.ready" 2>/dev/null)" != "$wanted" ]; then
    install
fi
# -P: nothing in the directory it is called from is imported.
exec "$venv/bin/python" -P -m cdc_assets.cli "$@"
