#!/usr/bin/env bash
# Makes the Debian images of the benchmark from a minimal root file system.
#
#   debian.sh FOLDER
#
#   layer.tar, layer.tar.gz   the root file system as one layer
#   gzip.tar                  the image as docker save writes it since version 25, which is an OCI
#                             archive too; its layer is packed with gzip
#   plain.tar                 the same image as a docker archive whose layer is not packed
#   layout                    the same image as an OCI layout, tagged t
#   layers.tar                the same tree as four packed layers, in the form of gzip.tar
#   id, layers.id             the digests of the configs: 64 hex digits
#
# Needs root, a Debian with debootstrap, umoci, skopeo and jq, and a package mirror, which is taken
# from apt's own sources.
set -euo pipefail

out=$1
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
tree=$work/tree

. /etc/os-release
mirror=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(SITE)' 'Created-By: Packages' |
    awk -v codename="$VERSION_CODENAME" '$1 == codename && $2 == "main" { print $3; exit }')
[ -n "$mirror" ] || { echo "apt knows no mirror of $VERSION_CODENAME main" >&2; exit 1; }

# In a mount namespace of its own, so that no /proc of debootstrap's can stay on this machine.
unshare --mount debootstrap --variant=minbase "$VERSION_CODENAME" "$tree" "$mirror" >&2
rm -rf "$tree"/dev/* "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/var/log/*.log

mkdir "$work/done"
cd "$work/done"

# An OCI layout becomes an archive that is of both kinds: manifest.json names the same blobs.
archive() { # LAYOUT TAG NAME ARCHIVE ID
    local manifest config
    manifest=$(jq -r --arg tag "$2" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $tag).digest' "$1/index.json")
    manifest=$1/blobs/sha256/${manifest#sha256:}
    config=$(jq -r '.config.digest | sub("sha256:"; "")' "$manifest")
    echo "$config" >"$5"
    cp -al "$1" "$work/form"
    rm "$work/form/index.json"
    jq --arg name "$3" '.manifests[].annotations["org.opencontainers.image.ref.name"] = $name' \
        "$1/index.json" >"$work/form/index.json"
    jq --arg name "$3" --arg config "blobs/sha256/$config" \
        '[{Config: $config, RepoTags: [$name], Layers: [.layers[].digest | "blobs/sha256/" + sub("sha256:"; "")]}]' \
        "$manifest" >"$work/form/manifest.json"
    tar -C "$work/form" -cf "$4" blobs index.json manifest.json oci-layout
    rm -r "$work/form"
}

umoci init --layout layout
umoci new --image layout:t
umoci insert --image layout:t "$tree" /
umoci gc --layout layout
archive layout t localhost/debian:gzip gzip.tar id
cp "layout/blobs/sha256/$(jq -r '.layers[0].digest | sub("sha256:"; "")' \
    "layout/blobs/sha256/$(jq -r '.manifests[0].digest | sub("sha256:"; "")' layout/index.json)")" layer.tar.gz
gzip -dc layer.tar.gz >layer.tar
skopeo --insecure-policy copy --quiet oci:layout:t docker-archive:plain.tar:localhost/debian:plain

umoci init --layout "$work/layers"
umoci new --image "$work/layers:t"
# Not by umoci insert, whose archives end without the padding that GNU tar wants to see.
for part in usr/share usr/lib usr/bin .; do
    tar -C "$tree" --numeric-owner --sort=name -cf "$work/part.tar" "$part"
    umoci raw add-layer --image "$work/layers:t" "$work/part.tar"
    [ "$part" = . ] || rm -r "${tree:?}/$part"
done
umoci gc --layout "$work/layers"
archive "$work/layers" t localhost/debian:layers layers.tar layers.id

mv "$work/done" "$out"
