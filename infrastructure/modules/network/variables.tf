variable "name" {
  description = "What the names of everything begin with."
  type        = string
}

variable "cidr" {
  description = "Addresses of the network; subnets take sixteenths of it."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(cidrhost(var.cidr, 0) == split("/", var.cidr)[0], false)
    error_message = "cidr is the address of a network, as 10.20.0.0/16, not '${var.cidr}'."
  }
  validation {
    condition     = try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 24, false)
    error_message = "The network is between /16 and /24, so that its subnets have room: '${var.cidr}' is not."
  }
}

variable "zones" {
  description = "Availability zones, one public and one private subnet in each."
  type        = list(string)

  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 4
    error_message = "Two zones or more, at most four: a database wants two. There are ${length(var.zones)}."
  }
  validation {
    condition     = length(distinct(var.zones)) == length(var.zones)
    error_message = "A zone is named twice: ${join(", ", var.zones)}."
  }
}

variable "nat" {
  description = "How private subnets reach the package registries: none, one (of the first zone) or each (one for each zone)."
  type        = string

  validation {
    condition     = contains(["none", "one", "each"], var.nat)
    error_message = "nat is none, one or each, not '${var.nat}'."
  }
}

variable "operators" {
  description = "Networks from which people reach the hosts by ssh, as those of a VPN. Pages and databases go through ssh."
  type        = list(string)

  validation {
    condition     = alltrue([for cidr in var.operators : can(cidrnetmask(cidr)) && !endswith(cidr, "/0")])
    error_message = "operators are networks of people, never all the world: ${join(", ", var.operators)}."
  }
}

variable "flow_log_days" {
  description = "Days that the record of connections is kept."
  type        = number
  default     = 30
}
