region      = "eu-central-1"
environment = "prod"
# Nothing that holds data goes with the environment.
protect = true

cidr  = "10.22.0.0/16"
zones = 3
nat   = "each"
# Networks of people, as your VPN's; none: nobody reaches the hosts.
operators = []

backup_days = 7

database_class    = "db.m7g.large"
database_disk_gb  = 200
database_multi_az = true

node_types = {
  cpu-node1    = "m7i.2xlarge"
  cpu-node2    = "m7i.xlarge"
  worker-node3 = "m7i.xlarge"
  worker-node4 = "m7i.xlarge"
  gpu-node     = "g6.xlarge"
}
node_disk_gb = 200

brokers        = 3
broker_type    = "m7i.large"
broker_disk_gb = 500
