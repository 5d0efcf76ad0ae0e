# For other recipes to source.

# make_root slim|fat SUITE PACKAGES MIRROR OUT [mmdebstrap's options ...]
# Write OUT/root.tar: a Debian root with PACKAGES (joined by commas), without documentation, bytecode, or anything of the
# mirror; and the version of its Python to OUT/version.

PRINT_VERSION='import platform, sysconfig as s
print("pypy" * (platform.python_implementation() == "PyPy") + platform.python_version(), end="")
print("t" * bool(s.get_config_var("Py_GIL_DISABLED")))'

make_root() {
  local kind=$1 suite=$2 packages=ca-certificates,netbase,tzdata,$3 mirror=$4 out=$5
  shift 5
  if [ "$kind" = fat ]; then
    # What the official image of this flavour adds: compilers, version control and common headers.
    packages+=,build-essential,git,curl,wget,gnupg,openssh-client,procps,file,unzip,xz-utils,pkgconf
    packages+=,libssl-dev,libffi-dev,zlib1g-dev,libbz2-dev,liblzma-dev,libsqlite3-dev,libreadline-dev,libncurses-dev
    packages+=,libyaml-dev,libpq-dev,libxml2-dev,libxslt1-dev,libjpeg-dev,libpng-dev,uuid-dev,libgdbm-dev
    packages+=,libevent-dev,autoconf,automake,libtool
  fi
  # As in official images, the standard library has no bytecode: with it, start-up would be faster than theirs. The
  # mirror's address is removed; it may not be reachable elsewhere. A mirror's copy of a suite may be past its date.
  mmdebstrap --quiet --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$@" \
    --customize-hook="chroot \"\$1\" /usr/local/bin/python3 -c '$PRINT_VERSION' > '$out/version'" \
    --customize-hook='find "$1/usr" -name __pycache__ -prune -exec rm -rf {} +' \
    --customize-hook='rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists/*' \
    --customize-hook='rm -rf "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/var/cache/ldconfig/aux-cache "$1"/var/log/*.log "$1"/var/log/apt' \
    --customize-hook=': > "$1/etc/resolv.conf"; echo localhost > "$1/etc/hostname"' \
    "$suite" "$out/root.tar" "$mirror"
}

# download_sources SUITE MIRROR FOLDER PACKAGE...
# Download the source packages into FOLDER and unpack each into FOLDER/PACKAGE.
download_sources() {
  local suite=$1 mirror=$2 folder=$3 package
  shift 3
  mkdir -p "$folder/apt/parts" "$folder/apt/lists/partial"
  cat > "$folder/apt/parts/sources.sources" <<SOURCES
Types: deb-src
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
  local apt=(apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$folder/apt/parts"
    -o Dir::State::Lists="$folder/apt/lists" -o Dir::Cache="$folder/apt" -o APT::Sandbox::User=root
    -o Acquire::Check-Valid-Until=false)
  (cd "$folder" && "${apt[@]}" update && "${apt[@]}" source --only-source --download-only "$@"
    for package in "$@"; do dpkg-source --no-check -x "$package"_*.dsc "$package"; done)
}
