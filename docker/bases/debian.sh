#!/bin/bash
# debian.sh slim|fat SUITE INTERPRETER PACKAGES HEADERS MIRROR OUT
# Write OUT/root.tar and OUT/version: a Debian root with Debian's own Python at the paths of the official image.
# INTERPRETER is the name of its program, PACKAGES (joined by commas) hold it, and only fat has HEADERS, too.
set -euo pipefail
kind=$1 suite=$2 interpreter=$3 packages=$4 headers=$5 mirror=$6 out=$7
# shellcheck source=docker/bases/root.sh
source "$(dirname "$0")/root.sh"

# A virtual environment at /usr/local provides python, python3 and pip where official images have them and, not being
# "externally managed", lets pip install into it.
[ "$kind" = fat ] && packages+=",$headers"
make_root "$kind" "$suite" "$packages" "$mirror" "$out" \
  --customize-hook="chroot \"\$1\" $interpreter -m venv /usr/local" \
  --customize-hook='ln -sf pip "$1/usr/local/bin/pip3"; rm -f "$1"/usr/local/bin/[Aa]ctivate*'
