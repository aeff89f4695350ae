variable "name" {
  description = "What the names of everything begin with."
  type        = string
}

variable "hosts" {
  description = "Hosts by name: type of instance, place among the zones, disk, and the groups of the inventory that it is in."
  type = map(object({
    type    = string
    zone    = number
    disk_gb = number
    groups  = list(string)
  }))

  validation {
    condition     = alltrue([for host in var.hosts : host.disk_gb >= 20])
    error_message = "A host has a disk of 20 GB or more: ${join(", ", [for name, host in var.hosts : name if host.disk_gb < 20])}."
  }
  validation {
    condition     = alltrue([for name in keys(var.hosts) : can(regex("^[a-z][a-z0-9-]*$", name))])
    error_message = "Names of hosts are of small letters, digits and '-': ${join(", ", keys(var.hosts))}."
  }
}

variable "subnets" {
  description = "Private subnet of each zone."
  type        = map(string)
}

variable "group" {
  description = "Security group of the hosts."
  type        = string
}

variable "profile" {
  description = "Instance profile: what programs on the hosts may do in the cloud."
  type        = string
}

variable "image" {
  description = "Image of Debian 12."
  type        = string
}

variable "ssh_key" {
  description = "Public key of who plays the playbook."
  type        = string
}

variable "shared_folder" {
  description = "Address of the file system that all hosts mount at /mnt/lake."
  type        = string
}

variable "protect" {
  description = "The hosts refuse to be terminated."
  type        = bool
}
