"""What a request costs here, and at a NestJS service that does the same: ``make bench``."""
