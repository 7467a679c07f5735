# Sets $python to an interpreter of Python 3.11 or newer. Sourced by the scripts, in the checkout's directory.
# Each candidate is run, not only found: version managers put names on the PATH behind which there is no interpreter.
# Without the trap, bash forgets a SIGINT that comes while a candidate runs.
trap 'exit 130' INT
python=
for wanted in \
    'import sys, ensurepip, venv; assert sys.version_info >= (3, 11)' \
    'import sys; assert sys.version_info >= (3, 11)'; do
    for candidate in python3.13 python3.12 python3.11 python3; do
        if [ -z "$python" ] && "$candidate" -c "$wanted" >/dev/null 2>&1; then
            python=$candidate
        fi
    done
done
if [ -z "$python" ]; then
    echo "Flagstone needs Python 3.11 or newer: on Debian and Ubuntu 'apt install python3 python3-venv'," \
        "on Fedora 'dnf install python3', with Homebrew 'brew install python@3.13'." >&2
    exit 1
fi
