variable "name" {
  description = "What the names of everything begin with."
  type        = string
}

variable "disposable" {
  description = "Destroying the environment takes the objects with it, but never the backups."
  type        = bool
}

variable "backup_days" {
  description = "Days that a backup is kept."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_days >= 1
    error_message = "A backup is kept for a day or more: backup_days is ${var.backup_days}."
  }
}
