"""Entry points of AWS Lambda: `kakitome.aws.NAME.handler`. They translate, and decide nothing about mail.

plan, child, finish    the run of a list by Step Functions: counted once, sent in portions, counted at the end
worker, sweep          what is due, when somebody rings; what nobody else does, by the clock
events, feed, api      what SES tells, the ledger's stream, HTTP
composition            one instance for each container
"""
