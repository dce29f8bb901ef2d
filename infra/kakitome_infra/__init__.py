"""Kakitome in an AWS account of one's own, as a CDK app. It makes and grants; nothing here decides about mail."""
