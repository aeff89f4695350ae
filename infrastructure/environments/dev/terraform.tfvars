region      = "eu-central-1"
environment = "dev"
# Nothing that holds data goes with the environment.
protect = false

cidr  = "10.20.0.0/16"
zones = 2
nat   = "one"
# Networks of people, as your VPN's; none: nobody reaches the hosts.
operators = []

backup_days = 7

database_class    = "db.t4g.small"
database_disk_gb  = 20
database_multi_az = false

node_types = {
  cpu-node1    = "t3.xlarge"
  cpu-node2    = "t3.large"
  worker-node3 = "t3.large"
  worker-node4 = "t3.medium"
  gpu-node     = "t3.medium"
}
node_disk_gb = 40

brokers        = 3
broker_type    = "t3.medium"
broker_disk_gb = 30
