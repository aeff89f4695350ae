# One bucket that is reached by TLS only, by its own account only, is never public and keeps the versions of its objects.

variable "name" { type = string }

variable "account" {
  description = "Number of the account whose principals may be let in by their own policies."
  type        = string
}

variable "disposable" {
  description = "Destroying the bucket takes its objects with it. Otherwise a bucket that holds something stays."
  type        = bool
}

variable "expire_after_days" {
  description = "Days after which objects go; null: never."
  type        = number
  default     = null
}

variable "keep_versions_days" {
  description = "Days that a replaced or deleted object can be had back."
  type        = number
}

resource "aws_s3_bucket" "this" {
  bucket        = var.name
  force_destroy = var.disposable
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id
  versioning_configuration { status = "Enabled" }
}

# With the store's own key: a key of ours that is destroyed with the environment would take the backups' contents with it.
resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    apply_server_side_encryption_by_default { sse_algorithm = "AES256" }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id
  rule { object_ownership = "BucketOwnerEnforced" }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket_versioning.this.bucket

  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration { noncurrent_days = var.keep_versions_days }
    abort_incomplete_multipart_upload { days_after_initiation = 1 }
  }

  dynamic "rule" {
    for_each = var.expire_after_days[*]
    content {
      id     = "old-objects"
      status = "Enabled"
      filter {}
      expiration { days = rule.value }
    }
  }
}

data "aws_iam_policy_document" "fence" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  # Services of the cloud act for the account without being in it.
  statement {
    sid       = "OwnAccountOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "StringNotEquals"
      variable = "aws:PrincipalAccount"
      values   = [var.account]
    }
    condition {
      test     = "BoolIfExists"
      variable = "aws:PrincipalIsAWSService"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "fence" {
  bucket     = aws_s3_bucket.this.id
  policy     = data.aws_iam_policy_document.fence.json
  depends_on = [aws_s3_bucket_public_access_block.this]
}

output "name" { value = aws_s3_bucket.this.bucket }
output "arn" { value = aws_s3_bucket.this.arn }
