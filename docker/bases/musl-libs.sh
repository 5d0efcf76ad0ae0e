#!/bin/bash
# musl-libs.sh MIRROR OUT
# Build the shared libraries that CPython needs and the Alpine root lacks (libffi, bzip2, SQLite) with musl-gcc from
# Debian's sources, and put them into OUT/libs.
set -euo pipefail
mirror=$1 out=$2 work=$2/musl-build
mkdir -p "$work/headers" "$out/libs"
"$(dirname "$0")/sources.sh" trixie "$mirror" "$work" libffi bzip2 sqlite3
cd "$work"
for source in libffi bzip2 sqlite3; do dpkg-source --no-check -x "$source"_*.dsc "$source"; done

# musl-gcc does not find kernel headers by itself. -idirafter searches these last, so that musl's own headers win.
ln -s /usr/include/linux /usr/include/asm-generic headers/
ln -s "/usr/include/$(uname -m)-linux-gnu/asm" headers/asm
export CC=musl-gcc CFLAGS="-O2 -idirafter $work/headers"

(cd libffi && autoreconf -fi && ./configure -q --host="$(uname -m)-linux-musl" --prefix=/usr --libdir=/usr/lib \
  --disable-static --disable-docs --disable-multi-os-directory && make -s && make -s install DESTDIR="$work/ffi")
cp -a ffi/usr/lib/libffi.so.* "$out/libs/"

(cd bzip2 && musl-gcc -O2 -fPIC -D_FILE_OFFSET_BITS=64 -shared -Wl,-soname,libbz2.so.1 -o "$out/libs/libbz2.so.1" \
  blocksort.c huffman.c crctable.c randtable.c compress.c decompress.c bzlib.c)

(cd sqlite3 && ./configure -q && make -s sqlite3.c && musl-gcc -O2 -fPIC -DNDEBUG -DSQLITE_THREADSAFE=1 \
  -DSQLITE_ENABLE_FTS3_PARENTHESIS -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_COLUMN_METADATA \
  -shared -Wl,-soname,libsqlite3.so.0 -o "$out/libs/libsqlite3.so.0" sqlite3.c)
