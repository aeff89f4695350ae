#!/bin/sh
# What Ansible needs of a host: a user with a key and sudo, Python, and the folder that all hosts share. Before it stand
# ADMIN, KEY and SHARED_FOLDER.
set -eu
apt-get update -q
apt-get install -qy --no-install-recommends python3 sudo nfs-common
id "$ADMIN" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$ADMIN"
install -d -m 0700 -o "$ADMIN" -g "$ADMIN" "/home/$ADMIN/.ssh"
printf '%s\n' "$KEY" >"/home/$ADMIN/.ssh/authorized_keys"
chown "$ADMIN": "/home/$ADMIN/.ssh/authorized_keys"
chmod 0600 "/home/$ADMIN/.ssh/authorized_keys"
printf '%s ALL=(ALL) NOPASSWD:ALL\n' "$ADMIN" >"/etc/sudoers.d/$ADMIN"
chmod 0440 "/etc/sudoers.d/$ADMIN"
mkdir -p /mnt/lake
mount_options=nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,_netdev
grep -q ' /mnt/lake ' /etc/fstab || echo "$SHARED_FOLDER:/ /mnt/lake nfs4 $mount_options 0 0" >>/etc/fstab
mount -a
