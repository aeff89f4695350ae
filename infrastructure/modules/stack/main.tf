# One environment, whole. Environments call this with values of their own and nothing else.

locals {
  name = "quintet-${var.environment}"
}

data "aws_availability_zones" "open" {
  state = "available"
}

data "aws_ami" "debian" {
  owners      = [var.image_owner]
  most_recent = true

  filter {
    name   = "name"
    values = ["debian-12-amd64-*"]
  }
}

module "network" {
  source = "../network"

  name      = local.name
  cidr      = var.cidr
  zones     = slice(data.aws_availability_zones.open.names, 0, min(var.zones, length(data.aws_availability_zones.open.names)))
  nat       = var.nat
  operators = var.operators
}

module "lake" {
  source = "../lake"

  name        = local.name
  disposable  = !var.protect
  backup_days = var.backup_days
}

module "database" {
  source = "../database"

  name        = local.name
  subnets     = values(module.network.private_subnets)
  group       = module.network.groups["database"]
  class       = var.database_class
  disk_gb     = var.database_disk_gb
  multi_az    = var.database_multi_az
  protect     = var.protect
  backup_days = var.backup_days
}

module "airflow" {
  source = "../airflow"

  name         = local.name
  types        = var.node_types
  disk_gb      = var.node_disk_gb
  policies     = { writer = module.lake.policies["writer"], backup = module.lake.policies["backup"] }
  secret       = module.database.endpoint.secret
  subnets      = module.network.private_subnets
  group        = module.network.groups["nodes"]
  shared_group = module.network.groups["shared"]
  image        = data.aws_ami.debian.id
  ssh_key      = var.ssh_key
  protect      = var.protect
}

module "kafka" {
  source = "../kafka"

  name          = local.name
  brokers       = var.brokers
  type          = var.broker_type
  disk_gb       = var.broker_disk_gb
  subnets       = module.network.private_subnets
  group         = module.network.groups["brokers"]
  image         = data.aws_ami.debian.id
  ssh_key       = var.ssh_key
  shared_folder = module.airflow.shared_folder
  protect       = var.protect
}
