"""The ledger on Amazon DynamoDB."""
