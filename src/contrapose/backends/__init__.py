"""An encoder computed by another program than torch, or in less precision, and checked before it is used."""
