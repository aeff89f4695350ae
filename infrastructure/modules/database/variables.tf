variable "name" {
  description = "What the names of everything begin with."
  type        = string
}

variable "subnets" {
  description = "Private subnets in two zones or more."
  type        = list(string)

  validation {
    condition     = length(var.subnets) >= 2
    error_message = "A database wants subnets in two zones: there are ${length(var.subnets)}."
  }
}

variable "group" {
  description = "Security group of the database."
  type        = string
}

variable "class" {
  description = "Class of the instance, as db.t4g.medium."
  type        = string

  validation {
    condition     = startswith(var.class, "db.")
    error_message = "The class of a database begins with db., as db.t4g.medium: '${var.class}'."
  }
}

variable "disk_gb" {
  description = "Disk to begin with; it grows by itself to twice that."
  type        = number

  validation {
    condition     = var.disk_gb >= 20
    error_message = "The database's disk has 20 GB or more: database_disk_gb is ${var.disk_gb}."
  }
}

variable "multi_az" {
  description = "A synchronous copy in another zone that takes over."
  type        = bool
}

variable "protect" {
  description = "The database refuses to be deleted, leaves a last snapshot, and its secret can be had back for a month."
  type        = bool
}

variable "backup_days" {
  description = "Days that backups are kept."
  type        = number

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "RDS keeps backups for 1 to 35 days: backup_days is ${var.backup_days}."
  }
}

variable "password_version" {
  description = "Count up to give the database a new password."
  type        = number
  default     = 1
}
