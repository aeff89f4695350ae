region      = "eu-central-1"
environment = "staging"
# Nothing that holds data goes with the environment.
protect = false

cidr  = "10.21.0.0/16"
zones = 3
nat   = "one"
# Networks of people, as your VPN's; none: nobody reaches the hosts.
operators = []

backup_days = 7

database_class    = "db.t4g.medium"
database_disk_gb  = 50
database_multi_az = false

node_types = {
  cpu-node1    = "m7i.xlarge"
  cpu-node2    = "m7i.large"
  worker-node3 = "m7i.large"
  worker-node4 = "m7i.large"
  gpu-node     = "t3.medium"
}
node_disk_gb = 80

brokers        = 3
broker_type    = "m7i.large"
broker_disk_gb = 100
