output "endpoint" {
  description = "Address, port, user and database; the password is in the secret."
  value = {
    address  = aws_db_instance.this.address
    port     = aws_db_instance.this.port
    user     = local.user
    database = aws_db_instance.this.db_name
    secret   = aws_secretsmanager_secret.password.arn
  }
}
