# The same in every environment; terraform.tfvars says what differs, and modules/stack what the values mean.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
  # terraform init -backend-config=state.config -backend-config=../../bucket.config: which file, and the account's bucket.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags { tags = { environment = var.environment, project = "quintet", managed_by = "terraform" } }
}

variable "environment" { type = string }
variable "region" { type = string }
variable "protect" { type = bool }
variable "cidr" { type = string }
variable "zones" { type = number }
variable "nat" { type = string }
variable "operators" { type = list(string) }
variable "backup_days" { type = number }
variable "database_class" { type = string }
variable "database_disk_gb" { type = number }
variable "database_multi_az" { type = bool }
variable "node_types" { type = map(string) }
variable "node_disk_gb" { type = number }
variable "brokers" { type = number }
variable "broker_type" { type = string }
variable "broker_disk_gb" { type = number }
variable "ssh_key" { type = string }
variable "image_owner" {
  type    = string
  default = "136693071363"
}

module "stack" {
  source = "../../modules/stack"

  environment       = var.environment
  protect           = var.protect
  cidr              = var.cidr
  zones             = var.zones
  nat               = var.nat
  operators         = var.operators
  backup_days       = var.backup_days
  database_class    = var.database_class
  database_disk_gb  = var.database_disk_gb
  database_multi_az = var.database_multi_az
  node_types        = var.node_types
  node_disk_gb      = var.node_disk_gb
  brokers           = var.brokers
  broker_type       = var.broker_type
  broker_disk_gb    = var.broker_disk_gb
  ssh_key           = var.ssh_key
  image_owner       = var.image_owner
}

output "buckets" { value = module.stack.buckets }
output "lake_policies" { value = module.stack.lake_policies }
output "database" { value = module.stack.database }
output "hosts" { value = module.stack.hosts }
