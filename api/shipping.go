package api

import "kasse/service/payment"

// shippingBody is the delivery address of a create.
type shippingBody struct {
	Name           string      `json:"name"`
	Address        addressBody `json:"address"`
	Carrier        string      `json:"carrier"`
	Phone          string      `json:"phone"`
	TrackingNumber string      `json:"tracking_number"`
	Unknown        unknown     `json:",embed"`
}

// addressBody is a postal address.
type addressBody struct {
	Line1      string  `json:"line1"`
	Line2      string  `json:"line2"`
	City       string  `json:"city"`
	State      string  `json:"state"`
	PostalCode string  `json:"postal_code"`
	Country    string  `json:"country"`
	Unknown    unknown `json:",embed"`
}

func (b *shippingBody) shipping() *payment.Shipping {
	if b == nil {
		return nil
	}
	return &payment.Shipping{
		Name: b.Name, Carrier: b.Carrier, Phone: b.Phone, TrackingNumber: b.TrackingNumber,
		Address: payment.Address{
			Line1: b.Address.Line1, Line2: b.Address.Line2, City: b.Address.City, State: b.Address.State,
			PostalCode: b.Address.PostalCode, Country: b.Address.Country,
		},
	}
}
