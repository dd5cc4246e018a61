#!/bin/busybox sh
# The first process of the guest: lays a file system in memory over the host's, which is read-only,
# and runs the job's command there as if on the host. The kernel's command line names two folders of
# the host: "job" (the only one that can be written to) and "modules".

set -e # an early end makes the kernel panic, and the host reports that
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in virtio_pci 9pnet_virtio 9p overlay; do modprobe $module; done

plan9=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o ro,$plan9,cache=loose host /host
mount -t tmpfs -o size=75% tmpfs /ram
mkdir /ram/upper /ram/work
mount -t overlay -o lowerdir=/host,upperdir=/ram/upper,workdir=/ram/work overlay /new
mount -t 9p -o $plan9 job "/new$job"
for kind in proc sysfs; do
  folder=$kind
  [ $kind = proc ] || folder=sys
  mount -t $kind $kind /new/$folder
done
mount --bind /dev /new/dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /new/dev/pts
mount -t tmpfs tmpfs /new/dev/shm
mount -t tmpfs tmpfs /new/run
ln -s /proc/self/fd /dev/fd
for name in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${name%:*}" "/dev/${name#*:}"; done

# The kernel loads what it is asked for (ciphers, for one) by the modprobe of this root.
rm -r /lib/modules
mkdir /lib/modules
mount --bind "/host$modules" /lib/modules
for module in ipv6 tls; do modprobe $module; done
ip link set lo up
ulimit -n 65536

stty raw -echo </dev/ttyS0
status=0
chroot /new /bin/sh "$job/command" </dev/null >/dev/ttyS0 2>&1 || status=$?
echo $status >"/new$job/status"
sync
poweroff -f
