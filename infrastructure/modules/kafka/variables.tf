variable "name" {
  description = "What the names of everything begin with."
  type        = string
}

variable "brokers" {
  description = "How many brokers; each is a KRaft controller, too."
  type        = number

  validation {
    condition     = contains([3, 5], var.brokers)
    error_message = "Three brokers or five, so that one may be away and a majority is left: there are ${var.brokers}."
  }
}

variable "type" {
  description = "Type of their instances."
  type        = string
}

variable "disk_gb" {
  description = "Disk of each."
  type        = number
}

# What every group of hosts is given: see modules/hosts.
variable "subnets" { type = map(string) }
variable "group" { type = string }
variable "image" { type = string }
variable "ssh_key" { type = string }
variable "shared_folder" { type = string }
variable "protect" { type = bool }
