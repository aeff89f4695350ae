output "hosts" {
  description = "Address, zone and groups of each host."
  value       = module.hosts.hosts
}

output "shared_folder" {
  description = "Address of the file system that all hosts mount."
  value       = aws_efs_file_system.lake.dns_name
  depends_on  = [aws_efs_mount_target.lake]
}
