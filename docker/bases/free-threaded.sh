#!/bin/bash
# free-threaded.sh SUITE SOURCE CONFIGURE MIRROR OUT
# Build CPython without the GIL, of which Debian has no binaries, from its source package SOURCE. Write what it installs
# to OUT/python.tar, and to OUT/libraries the Debian packages that it needs to run, joined by commas. CONFIGURE are options
# of configure, joined by blanks: --disable-gil, and with --enable-optimizations (PGO) and --with-lto it takes far longer.
set -euo pipefail
suite=$1 source=$2 configure=$3 mirror=$4 out=$5
work=$out/build root=$out/build/root
"$(dirname "$0")/sources.sh" "$suite" "$mirror" "$work" "$source"
cd "$work"

needs=gcc,libc6-dev,make,pkgconf,libssl-dev,zlib1g-dev,libbz2-dev,liblzma-dev,libffi-dev,libsqlite3-dev
needs+=,libreadline-dev,libncurses-dev,libgdbm-dev,uuid-dev,libexpat1-dev,libzstd-dev,ca-certificates
mmdebstrap --quiet --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --include="$needs" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$root" "$mirror"
# Without Debian's changes, which are for a Python at /usr and switch ensurepip off.
dpkg-source --no-check --skip-patches -x "$source"_*.dsc "$root/source"

# As in official images: at /usr/local, with pip, without tests and bytecode.
chroot "$root" bash -euo pipefail -c "
  cd /source
  ./configure --quiet --enable-loadable-sqlite-extensions --with-ensurepip $configure
  make --silent --jobs=\$(nproc)
  make --silent install
  cp /usr/local/bin/pip3 /usr/local/bin/pip
  ln -s python3 /usr/local/bin/python
  find /usr/local -depth -type d \( -name test -o -name tests -o -name __pycache__ \) -exec rm -rf {} +
  rm -f /usr/local/lib/libpython*.a /usr/local/lib/python*/config-*/libpython*.a
  find /usr/local -type f -perm -u+x -exec ldd {} \; 2>/dev/null | grep -o '/[^ ]*\.so[^ ]*' | sort -u | xargs readlink -f \
    | xargs dpkg-query --search | cut -d: -f1 | sort -u | paste -sd, > /libraries"
mv "$root/libraries" "$out/libraries"
tar -C "$root/usr/local" -cf "$out/python.tar" .
