# The object store of the platform: four buckets, and who may do what in them.

data "aws_caller_identity" "here" {}

locals {
  account = data.aws_caller_identity.here.account_id

  buckets = {
    lake        = { expire_after_days = null, keep_versions_days = 7, disposable = var.disposable }
    models      = { expire_after_days = null, keep_versions_days = 30, disposable = var.disposable }
    checkpoints = { expire_after_days = null, keep_versions_days = 1, disposable = var.disposable }
    # What is removed by hand stays for a day; nothing but emptying the bucket by its name removes it with its backups.
    backups = { expire_after_days = var.backup_days, keep_versions_days = 1, disposable = false }
  }

  # What each role may do, bucket by bucket. Nobody but the bucket's lifecycle takes backups away.
  roles = {
    writer = {
      read   = ["lake", "models", "checkpoints"]
      write  = ["lake", "models", "checkpoints"]
      delete = ["lake", "models", "checkpoints"]
    }
    reader = { read = ["lake", "models"], write = [], delete = [] }
    backup = { read = ["backups"], write = ["backups"], delete = [] }
  }
}

module "bucket" {
  source   = "../bucket"
  for_each = local.buckets

  name               = "${var.name}-${each.key}-${local.account}"
  account            = local.account
  disposable         = each.value.disposable
  expire_after_days  = each.value.expire_after_days
  keep_versions_days = each.value.keep_versions_days
}

data "aws_iam_policy_document" "role" {
  for_each = local.roles

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = [for bucket in each.value.read : module.bucket[bucket].arn]
  }

  statement {
    sid       = "Read"
    actions   = ["s3:GetObject"]
    resources = [for bucket in each.value.read : "${module.bucket[bucket].arn}/*"]
  }

  dynamic "statement" {
    for_each = length(each.value.write) > 0 ? [each.value.write] : []
    content {
      sid       = "Write"
      actions   = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
      resources = [for bucket in statement.value : "${module.bucket[bucket].arn}/*"]
    }
  }

  dynamic "statement" {
    for_each = length(each.value.delete) > 0 ? [each.value.delete] : []
    content {
      sid       = "Delete"
      actions   = ["s3:DeleteObject"]
      resources = [for bucket in statement.value : "${module.bucket[bucket].arn}/*"]
    }
  }
}

resource "aws_iam_policy" "role" {
  for_each = local.roles

  name        = "${var.name}-lake-${each.key}"
  description = "Role ${each.key} in the object store of ${var.name}."
  policy      = data.aws_iam_policy_document.role[each.key].json
}
