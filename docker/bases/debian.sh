#!/bin/bash
# debian.sh slim|fat SUITE INTERPRETER PACKAGES HEADERS MIRROR OUT [PYTHON]
# Write OUT/root.tar: a Debian root with Debian's own Python at the paths of the official image, and its version to
# OUT/version. INTERPRETER is the name of its program, PACKAGES (joined by commas) hold it, and only fat has HEADERS, too.
# With PYTHON, an archive of what belongs into /usr/local, that Python takes the place of Debian's.
set -euo pipefail
kind=$1 suite=$2 interpreter=$3 packages=ca-certificates,netbase,tzdata,$4 headers=$5 mirror=$6 out=$7 python=${8:-}

if [ "$kind" = fat ]; then
  # What the official image of this flavour adds: compilers, version control and common headers.
  packages+=,build-essential${headers:+,$headers},git,curl,wget,gnupg,openssh-client,procps,file,unzip,xz-utils,pkgconf
  packages+=,libssl-dev,libffi-dev,zlib1g-dev,libbz2-dev,liblzma-dev,libsqlite3-dev,libreadline-dev,libncurses-dev
  packages+=,libyaml-dev,libpq-dev,libxml2-dev,libxslt1-dev,libjpeg-dev,libpng-dev,uuid-dev,libgdbm-dev,libevent-dev
  packages+=,autoconf,automake,libtool
fi

print_version='import platform, sysconfig
pypy, without_gil = platform.python_implementation() == "PyPy", bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
print("pypy" * pypy + platform.python_version() + "t" * without_gil)'
install="chroot \"\$1\" $interpreter -m venv /usr/local"
if [ -n "$python" ]; then
  install="tar -C \"\$1/usr/local\" -xf '$python'; chroot \"\$1\" ldconfig"
fi

# A virtual environment at /usr/local provides python, python3 and pip where official images have them and, not being
# "externally managed", lets pip install into it. As in official images, the standard library has no bytecode:
# with it, start-up would be faster than theirs. The mirror's address is removed; it may not be reachable elsewhere. A
# mirror's copy of a suite may be past its date.
mmdebstrap --quiet --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --include="$packages" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --aptopt='Acquire::Check-Valid-Until "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --customize-hook="$install" \
  --customize-hook='ln -sf pip "$1/usr/local/bin/pip3"; rm -f "$1"/usr/local/bin/[Aa]ctivate*' \
  --customize-hook="chroot \"\$1\" /usr/local/bin/python3 -c '$print_version' > '$out/version'" \
  --customize-hook='find "$1/usr" -name __pycache__ -prune -exec rm -rf {} +' \
  --customize-hook='rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists/*' \
  --customize-hook='rm -rf "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/var/cache/ldconfig/aux-cache "$1"/var/log/*.log "$1"/var/log/apt' \
  --customize-hook=': > "$1/etc/resolv.conf"; echo localhost > "$1/etc/hostname"' \
  "$suite" "$out/root.tar" "$mirror"
