#!/bin/bash
# debian.sh slim|fat MIRROR OUT
# Write OUT/root.tar: a Debian root with Debian's CPython at the paths of the official image, and its version to
# OUT/version.
set -euo pipefail
kind=$1 mirror=$2 out=$3

packages=ca-certificates,netbase,tzdata,python3-minimal,libpython3-stdlib,python3-venv
if [ "$kind" = fat ]; then
  # What the official image of this flavour adds: compilers, version control and common headers.
  packages+=,build-essential,python3-dev,git,curl,wget,gnupg,openssh-client,procps,file,unzip,xz-utils,pkgconf
  packages+=,libssl-dev,libffi-dev,zlib1g-dev,libbz2-dev,liblzma-dev,libsqlite3-dev,libreadline-dev,libncurses-dev
  packages+=,libyaml-dev,libpq-dev,libxml2-dev,libxslt1-dev,libjpeg-dev,libpng-dev,uuid-dev,libgdbm-dev,libevent-dev
  packages+=,autoconf,automake,libtool
fi

# A virtual environment at /usr/local provides python, python3 and pip where official images have them and, not being
# "externally managed", lets pip install into it. As in official images, the standard library has no bytecode:
# with it, start-up would be faster than theirs. The mirror's address is removed; it may not be reachable elsewhere.
mmdebstrap --quiet --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --include="$packages" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --customize-hook='chroot "$1" python3 -m venv /usr/local' \
  --customize-hook='ln -sf pip "$1/usr/local/bin/pip3"; rm -f "$1"/usr/local/bin/[Aa]ctivate*' \
  --customize-hook='find "$1/usr" -name __pycache__ -prune -exec rm -rf {} +' \
  --customize-hook='rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists/*' \
  --customize-hook='rm -rf "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/var/cache/ldconfig/aux-cache "$1"/var/log/*.log "$1"/var/log/apt' \
  --customize-hook=': > "$1/etc/resolv.conf"; echo localhost > "$1/etc/hostname"' \
  trixie "$out/root.tar" "$mirror"
tar -xOf "$out/root.tar" ./usr/local/pyvenv.cfg | sed -n 's/^version = //p' > "$out/version"
