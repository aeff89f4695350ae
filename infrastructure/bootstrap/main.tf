# The bucket in which the environments keep their state, one for an account. Applied once, with its own state beside it.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags { tags = { project = "quintet", managed_by = "terraform" } }
}

variable "region" {
  description = "Region of the bucket."
  type        = string
  default     = "eu-central-1"
}

data "aws_caller_identity" "here" {}

module "state" {
  source = "../modules/bucket"

  name               = "quintet-state-${data.aws_caller_identity.here.account_id}"
  account            = data.aws_caller_identity.here.account_id
  disposable         = false
  keep_versions_days = 90
}

output "backend" {
  description = "What `terraform init -backend-config=FILE` of an environment wants in its file."
  value       = <<-EOT
    bucket = "${module.state.name}"
    region = "${var.region}"
  EOT
}
