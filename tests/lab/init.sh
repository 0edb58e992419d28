#!/bin/sh
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

# A guest's first process, started with the guest's own folder on the host mounted on /mnt. The root is a directory of
# the host's, read-only, shared by all guests; what a guest writes over it goes to memory, /tmp to a disk of its own.
# `mounts` in the folder names directories of the host's ("ro PATH" or "rw PATH") to be seen here under the same path.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
echo > /proc/sys/kernel/hotplug
modprobe overlay
mount -t tmpfs tmpfs /run
mkdir /run/upper /run/work /run/root
mount -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/root
for each in dev proc sys mnt; do
    mount --move /$each /run/root/$each
done
mkdir /run/root/below
cd /run/root && pivot_root . below
cd /
umount -l /below
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/lvm /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
# /tmp outlives a power loss like any disk.
mount /dev/ubda /tmp 2>/dev/null || { mkfs.ext4 -q -F -m 0 -E nodiscard /dev/ubda && mount /dev/ubda /tmp; }
chmod 1777 /tmp
while read -r mode path; do
    mkdir -p "$path"
    mount -t hostfs -o "$mode,$path" none "$path"
done < /mnt/mounts

hostname lab
ip link set lo up
cp /mnt/lvmlocal.conf /etc/lvm/lvmlocal.conf
modprobe loop
modprobe dm-thin-pool
modprobe spl spl_hostid=0x1ab
modprobe zfs "zfs_arc_max=$((128 << 20))"

# The shell stays the first process and so reaps what others leave.
python3 /mnt/agent.py /dev/ttyS0
echo o > /proc/sysrq-trigger
sleep 60
