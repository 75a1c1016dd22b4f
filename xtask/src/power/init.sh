#!/bin/busybox sh
# The first and only program of the machine of the power suite.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for name in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk \
    failover net_failover virtio_net; do
    insmod /modules/$name.ko || echo "power: no module $name"
done
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
mount -t ext4 /dev/vda /data || echo "power: no file system"
if tenon verify --data /data/tenon; then
    echo "power: verified"
else
    echo "power: verify failed"
fi
# The negative control: the C library below the server syncs nothing.
lazy=
if grep -q power_lazy /proc/cmdline; then
    lazy="env LD_PRELOAD=/lib/disk.so INTERPOSE_ROOT=/data/tenon INTERPOSE_DO=lazy"
fi
echo "power: serving"
$lazy tenon serve --data /data/tenon --config /etc/tenon.toml --listen 0.0.0.0:7700
echo "power: ended $?"
poweroff -f
