# Hosts that a playbook can fill: Debian with ssh, sudo, Python and the lake's folder. What runs on them is the playbook's.

locals {
  zones = sort(keys(var.subnets))
  first_start = join("\n", [
    "#!/bin/sh",
    "ADMIN='quintet-admin'",
    "KEY='${replace(var.ssh_key, "'", "'\\''")}'",
    "SHARED_FOLDER='${var.shared_folder}'",
    file("${path.module}/first_start.sh"),
  ])
}

resource "aws_instance" "this" {
  for_each = var.hosts

  ami                     = var.image
  instance_type           = each.value.type
  subnet_id               = var.subnets[local.zones[each.value.zone % length(local.zones)]]
  vpc_security_group_ids  = [var.group]
  iam_instance_profile    = var.profile
  disable_api_termination = var.protect
  user_data               = local.first_start
  # It is read at the first start only, and a newer image is no reason to throw a host's data away.
  lifecycle { ignore_changes = [ami, user_data] }

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = each.value.disk_gb
    encrypted   = true
    tags        = { Name = "${var.name}-${each.key}" }
  }

  tags = {
    Name   = "${var.name}-${each.key}"
    node   = each.key
    groups = join(" ", each.value.groups)
  }
}
