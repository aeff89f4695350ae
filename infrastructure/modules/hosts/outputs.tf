output "hosts" {
  description = "Address, zone and groups of each host."
  value = {
    for name, host in aws_instance.this : name => {
      address = host.private_ip
      zone    = host.availability_zone
      groups  = var.hosts[name].groups
    }
  }
}
