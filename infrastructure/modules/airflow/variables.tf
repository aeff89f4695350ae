variable "name" {
  description = "What the names of everything begin with."
  type        = string
}

variable "types" {
  description = "Type of instance of each of the five hosts."
  type        = map(string)

  validation {
    condition     = length(setsubtract(keys(var.types), ["cpu-node1", "cpu-node2", "gpu-node", "worker-node3", "worker-node4"])) == 0 && length(var.types) == 5
    error_message = "The hosts are cpu-node1, cpu-node2, worker-node3, worker-node4 and gpu-node, not ${join(", ", keys(var.types))}."
  }
}

variable "disk_gb" {
  description = "Disk of each host."
  type        = number
}

variable "policies" {
  description = "What programs on the hosts may do, by what it is for: policies of the object store."
  type        = map(string)
}

variable "secret" {
  description = "The secret with the database's password, which they may read."
  type        = string
}

variable "shared_group" {
  description = "Security group of the shared folder."
  type        = string
}

# What every group of hosts is given: see modules/hosts.
variable "subnets" { type = map(string) }
variable "group" { type = string }
variable "image" { type = string }
variable "ssh_key" { type = string }
variable "protect" { type = bool }
