output "buckets" {
  description = "Name of each bucket by what it is for."
  value       = module.lake.buckets
}

output "lake_policies" {
  description = "Policy of each role in the object store."
  value       = module.lake.policies
}

output "database" {
  description = "Address, port, user and database; the password is in the secret that is named."
  value       = module.database.endpoint
}

output "hosts" {
  description = "Address, zone and groups of each host, from which the inventory is written."
  value       = merge(module.airflow.hosts, module.kafka.hosts)
}
