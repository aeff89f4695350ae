#!/bin/sh
# What Ansible needs of a host: a user with a key and sudo, Python, and the folder that all hosts share.
set -eu
apt-get update -q
apt-get install -qy --no-install-recommends python3 sudo nfs-common
id ${user} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash ${user}
install -d -m 0700 -o ${user} -g ${user} /home/${user}/.ssh
printf '%s\n' '${key}' >/home/${user}/.ssh/authorized_keys
chown ${user}: /home/${user}/.ssh/authorized_keys
chmod 0600 /home/${user}/.ssh/authorized_keys
printf '%s ALL=(ALL) NOPASSWD:ALL\n' ${user} >/etc/sudoers.d/${user}
chmod 0440 /etc/sudoers.d/${user}
mkdir -p /mnt/lake
grep -q ' /mnt/lake ' /etc/fstab ||
  echo '${shared_folder}:/ /mnt/lake nfs4 nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,_netdev 0 0' >>/etc/fstab
mount -a
