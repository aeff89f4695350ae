# The five hosts of the platform and the folder that they share. Their groups are those of the inventory `homelab`, but for
# Kafka, which has hosts of its own here.

locals {
  groups = {
    cpu-node1 = [
      "postgresql", "etcd", "trino_coordinator", "spark_master", "airflow", "flink_jobmanager", "objects", "search", "redis", "sentinels",
      "monitoring",
    ]
    cpu-node2 = [
      "postgresql", "etcd", "trino_workers", "spark_workers", "registry", "flink_taskmanagers", "search", "redis", "sentinels", "shop",
    ]
    worker-node3 = ["etcd", "trino_workers", "spark_workers", "connect", "flink_taskmanagers", "search", "sentinels", "timeseries"]
    worker-node4 = [] # the spare
    gpu-node     = []
  }
  places = { for index, name in sort(keys(local.groups)) : name => index }
}

resource "aws_efs_file_system" "lake" {
  encrypted        = true
  throughput_mode  = "elastic"
  performance_mode = "generalPurpose"
  tags             = { Name = "${var.name}-lake" }
}

resource "aws_efs_mount_target" "lake" {
  for_each = var.subnets

  file_system_id  = aws_efs_file_system.lake.id
  subnet_id       = each.value
  security_groups = [var.shared_group]
}

data "aws_iam_policy_document" "secret" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.secret]
  }
}

resource "aws_iam_policy" "secret" {
  name        = "${var.name}-database-password"
  description = "Reading the password of the database of ${var.name}."
  policy      = data.aws_iam_policy_document.secret.json
}

module "profile" {
  source = "../profile"

  name     = "${var.name}-nodes"
  policies = merge(var.policies, { secret = aws_iam_policy.secret.arn })
}

module "hosts" {
  source = "../hosts"

  name = var.name
  hosts = {
    for name, groups in local.groups : name => {
      type    = var.types[name]
      zone    = local.places[name]
      disk_gb = var.disk_gb
      groups  = groups
    }
  }
  subnets       = var.subnets
  group         = var.group
  profile       = module.profile.name
  image         = var.image
  ssh_key       = var.ssh_key
  shared_folder = aws_efs_file_system.lake.dns_name
  protect       = var.protect
  # It is mounted at the first start.
  depends_on = [aws_efs_mount_target.lake]
}
