output "buckets" {
  description = "Name of each bucket by what it is for."
  value       = { for use, bucket in module.bucket : use => bucket.name }
}

output "policies" {
  description = "Policy of each role (writer, reader, backup), to be attached to whoever has it."
  value       = { for role, policy in aws_iam_policy.role : role => policy.arn }
}
