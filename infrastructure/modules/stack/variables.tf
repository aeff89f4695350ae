variable "environment" {
  description = "Which environment this is; it is in the name of everything."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "The environment is dev, staging or prod, not '${var.environment}'."
  }
}

variable "protect" {
  description = "Nothing that holds data goes with the environment: databases refuse to be deleted, full buckets stay."
  type        = bool

  validation {
    condition     = var.protect || var.environment != "prod"
    error_message = "prod is protected: protect = true."
  }
}

variable "backup_days" {
  description = "Days that backups are kept, of the platform and of the database."
  type        = number
}

variable "cidr" {
  description = "Addresses of the network."
  type        = string
}

variable "zones" {
  description = "How many availability zones: two to four."
  type        = number

  validation {
    condition     = var.zones >= 2 && var.zones <= 4
    error_message = "Two zones or more, at most four: a database wants two. There are ${var.zones}."
  }
}

variable "nat" {
  description = "How private subnets reach the package registries: none, one or each."
  type        = string
}

variable "operators" {
  description = "Networks from which people reach the hosts by ssh."
  type        = list(string)
}

variable "database_class" {
  description = "Class of the database."
  type        = string
}

variable "database_disk_gb" {
  description = "Disk of the database."
  type        = number
}

variable "database_multi_az" {
  description = "A synchronous copy of the database in another zone."
  type        = bool

  validation {
    condition     = var.database_multi_az || var.environment != "prod"
    error_message = "The database of prod has a copy in another zone: database_multi_az = true."
  }
}

variable "node_types" {
  description = "Type of instance of each of the five hosts."
  type        = map(string)
}

variable "node_disk_gb" {
  description = "Disk of each host."
  type        = number
}

variable "brokers" {
  description = "How many Kafka brokers."
  type        = number
}

variable "broker_type" {
  description = "Type of their instances."
  type        = string
}

variable "broker_disk_gb" {
  description = "Disk of each broker."
  type        = number
}

variable "ssh_key" {
  description = "Public key of who plays the playbook."
  type        = string

  validation {
    condition     = can(regex("^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp[0-9]+) [A-Za-z0-9+/=]+( [A-Za-z0-9@._-]+)?$", var.ssh_key))
    error_message = "ssh_key is the line of a public key, as 'ssh-ed25519 AAAA… name'."
  }
}

variable "image_owner" {
  description = "Account whose image debian-12-amd64-* the hosts begin with: Debian's."
  type        = string
  default     = "136693071363"
}
