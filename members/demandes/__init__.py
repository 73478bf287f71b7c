"""What a member asks and staff decide, from a draft to its end. (docs/requests.md)"""
