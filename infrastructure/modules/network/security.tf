# Who reaches whom, by role: hosts that the playbook fills (nodes), brokers, the database, the shared folder.

locals {
  # The lab's ports are those of the playbook, at offset 0.
  lab   = yamldecode(file("${path.module}/../../../ansible/group_vars/all/ports.yml")).ports
  ports = { for name, text in local.lab : name => tonumber(regex("\\d+", text)) }

  # Neighbouring ports in one rule: a group has room for sixty.
  used   = distinct(values(local.ports))
  firsts = sort([for port in local.used : format("%05d", port) if !contains(local.used, port - 1)])
  lasts  = sort([for port in local.used : format("%05d", port) if !contains(local.used, port + 1)])
  ranges = { for index, first in local.firsts : tonumber(first) => tonumber(local.lasts[index]) }

  roles = toset(["nodes", "brokers", "database", "shared"])

  # From one role to another: ports, first and last.
  reach = merge(
    { for first, last in local.ranges : "nodes-nodes-${first}" => { from = "nodes", to = "nodes", first = first, last = last } },
    {
      # Spark's drivers and executors choose their ports themselves.
      "nodes-nodes-spark" = { from = "nodes", to = "nodes", first = 32768, last = 60999 }
    },
    {
      for way in [
        ["nodes", "brokers", "kafka"], ["nodes", "brokers", "kafka_metrics"], ["nodes", "brokers", "node_exporter"],
        ["brokers", "brokers", "kafka"], ["brokers", "brokers", "kafka_controller"],
        # The proxy of every host asks the servers which is primary.
        ["brokers", "nodes", "postgres"], ["brokers", "nodes", "postgres_patroni"],
      ] : join("-", way) => { from = way[0], to = way[1], first = local.ports[way[2]], last = local.ports[way[2]] }
    },
    {
      "nodes-database" = { from = "nodes", to = "database", first = 5432, last = 5432 }
      "nodes-shared"   = { from = "nodes", to = "shared", first = 2049, last = 2049 }
      "brokers-shared" = { from = "brokers", to = "shared", first = 2049, last = 2049 }
    },
  )
  outward = { for pair in setproduct(["nodes", "brokers"], [80, 443]) : "${pair[0]}-${pair[1]}" => { role = pair[0], port = pair[1] } }
  ssh     = { for pair in setproduct(["nodes", "brokers"], var.operators) : "${pair[0]}-${pair[1]}" => { role = pair[0], cidr = pair[1] } }
}

resource "aws_security_group" "role" {
  for_each = local.roles

  name        = "${var.name}-${each.key}"
  description = "Role ${each.key} of ${var.name}"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "role" {
  for_each = local.reach

  security_group_id            = aws_security_group.role[each.value.to].id
  referenced_security_group_id = aws_security_group.role[each.value.from].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.first
  to_port                      = each.value.last
  tags                         = { Name = each.key }
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each = local.ssh

  security_group_id = aws_security_group.role[each.value.role].id
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  tags              = { Name = "ssh of operators" }
}

resource "aws_vpc_security_group_egress_rule" "role" {
  for_each = local.reach

  security_group_id            = aws_security_group.role[each.value.from].id
  referenced_security_group_id = aws_security_group.role[each.value.to].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.first
  to_port                      = each.value.last
  tags                         = { Name = each.key }
}

# Packages of Debian and Python, and the cloud's own interfaces.
resource "aws_vpc_security_group_egress_rule" "outward" {
  for_each = local.outward

  security_group_id = aws_security_group.role[each.value.role].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  tags              = { Name = "packages and the cloud" }
}
