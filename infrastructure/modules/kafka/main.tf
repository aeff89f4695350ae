# Brokers on hosts of their own, spread over the zones. The playbook's role kafka makes the cluster on them: users, rights,
# no topic that nobody declared. They need nothing of the cloud, so their profile has no policy.

module "profile" {
  source = "../profile"

  name     = "${var.name}-brokers"
  policies = {}
}

module "hosts" {
  source = "../hosts"

  name = var.name
  hosts = {
    for index in range(var.brokers) : "kafka-node${index + 1}" => {
      type    = var.type
      zone    = index
      disk_gb = var.disk_gb
      groups  = ["kafka"]
    }
  }
  subnets       = var.subnets
  group         = var.group
  profile       = module.profile.name
  image         = var.image
  ssh_key       = var.ssh_key
  shared_folder = var.shared_folder
  protect       = var.protect
}

output "hosts" {
  description = "Address, zone and groups of each broker."
  value       = module.hosts.hosts
}
