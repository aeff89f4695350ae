output "private_subnets" {
  description = "Private subnet of each zone."
  value       = { for zone, subnet in aws_subnet.private : zone => subnet.id }
  # Hosts get packages at their first start: the way out is there before them.
  depends_on = [aws_route.public, aws_route.private, aws_route_table_association.public, aws_route_table_association.private]
}

output "groups" {
  description = "Security group of each role: nodes, brokers, database, shared."
  value       = { for role, group in aws_security_group.role : role => group.id }
}
