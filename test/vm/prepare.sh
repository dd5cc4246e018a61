#!/usr/bin/env bash
# Makes what test/vm/vm.mjs boots, out of Debian's own packages: the stock kernel, its modules, and
# an initramfs that knows just enough to find the rest on the host.
#
#   prepare.sh FOLDER    fills FOLDER with vmlinuz, lib/modules/VERSION and initramfs
#
# Needs Debian. As root it installs qemu and xz when they are missing; otherwise it says so.
set -euo pipefail

folder=$1
here=$(cd "$(dirname "$0")" && pwd)

missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
command -v xz >/dev/null || missing+=(xz-utils)
if ((${#missing[@]})) && ((EUID)); then
  echo "missing packages, and only root can install them: ${missing[*]}" >&2
  exit 1
fi
if ((EUID == 0)); then
  apt-get update -q
  export DEBIAN_FRONTEND=noninteractive
  if ((${#missing[@]})); then apt-get install -qy --no-install-recommends "${missing[@]}"; fi
fi

# Unpacked, not installed: a kernel has no business on the machine that runs the tests.
unpack() {
  local package=$1 scratch
  shift
  scratch=$(mktemp -d -p "$folder")
  (cd "$scratch" && apt-get download -q -o APT::Sandbox::User=root "$package")
  dpkg-deb --fsys-tarfile "$scratch"/*.deb | tar -x -C "$folder" --wildcards "$@"
  rm -r "$scratch"
}

# linux-image-amd64 is a name for whatever the current stock kernel is called.
kernel=$(apt-cache depends linux-image-amd64 | awk '$1 == "Depends:" { print $2; exit }')
unpack busybox-static './bin/busybox'
unpack "$kernel" './boot/vmlinuz-*' './lib/modules/*'
busybox=$folder/bin/busybox
version=$(ls "$folder/lib/modules")
mv "$folder/boot/vmlinuz-$version" "$folder/vmlinuz"
"$busybox" depmod -b "$folder" "$version"

# The initramfs holds only the modules it takes to see the host's files; there are the others.
root=$folder/initramfs.d
mkdir -p "$root"/{bin,dev,proc,sys,host,ram,new,lib/modules/"$version"}
cp "$busybox" "$root/bin/"
ln -s bin "$root/sbin" # the kernel runs /sbin/modprobe for what it is asked for
cp "$here/init.sh" "$root/init"
(
  cd "$folder/lib/modules/$version"
  cp --parents -r modules.{order,builtin} kernel/{fs/{9p,fscache,netfs,overlayfs},net/9p} \
    kernel/drivers/virtio "$root/lib/modules/$version/"
)
"$busybox" depmod -b "$root" "$version"
(cd "$root" && find . | "$busybox" cpio -o -H newc) >"$folder/initramfs"
rm -r "$root"
