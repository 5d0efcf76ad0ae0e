#!/bin/bash
# sources.sh SUITE MIRROR FOLDER PACKAGE...
# Download Debian's source packages into FOLDER, without a change of this machine's own sources of packages. A mirror's
# copy of a suite may be past its date.
set -euo pipefail
suite=$1 mirror=$2 folder=$3
mkdir -p "$folder/apt/parts" "$folder/apt/lists/partial"
cd "$folder"

cat > apt/parts/sources.sources <<SOURCES
Types: deb-src
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
apt=(apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$folder/apt/parts"
  -o Dir::State::Lists="$folder/apt/lists" -o Dir::Cache="$folder/apt" -o APT::Sandbox::User=root
  -o Acquire::Check-Valid-Until=false)
"${apt[@]}" update
"${apt[@]}" source --only-source --download-only "${@:4}"
